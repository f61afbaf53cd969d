//go:build !unix

package main

import "syscall"

// ownGroup has nothing to keep from a child process here.
func ownGroup() *syscall.SysProcAttr { return nil }
