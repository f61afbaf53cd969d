//go:build !race

package stage

// rounds is how often a race is run.
const rounds = 20_000
