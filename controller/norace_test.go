//go:build !race

package controller

const schedules = "100" // of each property
