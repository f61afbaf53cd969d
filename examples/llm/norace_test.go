//go:build !race

package main

const minutes = 10 // of the server's time, that a quota is used for
