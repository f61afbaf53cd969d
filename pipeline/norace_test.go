//go:build !race

package pipeline_test

const aMillion = 1_000_000
