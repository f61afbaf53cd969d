//go:build race

package pipeline_test

// aMillion is fewer when each memory access is watched.
const aMillion = 5_000
