package controller

import (
	"os"
	"strings"
)

var dbg = os.Getenv("PLX")

func on(x string) bool { return strings.Contains(dbg, x) }

var (
	dbgNoChance = on("nochance")
	dbgNoPause  = on("nopause")
)
