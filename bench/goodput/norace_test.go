//go:build !race

package main

const servicesEach = 5 // of a family
