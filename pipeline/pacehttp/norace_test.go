//go:build !race

package pacehttp_test

const seconds = 60 // that a service is used for; fewer when each memory access is watched
