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

var dbgTrace = on("trace")

func (s *seek) trace(o Outcome) {
	if !dbgTrace {
		return
	}
	println(int(s.now*1000), o.Verdict.String(), "lim", int(s.slots.inForce()*10), "pace*100", int(s.pace.inForce()*100), "fails*100", int(min(s.pace.fails, 1e6)*100), s.reason.String(), "e*1e5", int(s.chance.e*1e5), "bank*100", int(s.price.bank*100), "n", int(s.chance.epoch), "k", int(s.chance.missed), "low", s.chance.lowered, "start", s.startup.on)
}
