//go:build race

package pacehttp_test

const seconds = 20
