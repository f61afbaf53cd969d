//go:build !race

package main

const servicesEach = 6 // of a family
