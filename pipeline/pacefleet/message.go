package pacefleet

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A share is what a process may use of what all have in common.
type share struct {
	Limit    int           `json:"l"`           // attempts in flight
	Interval time.Duration `json:"i,omitempty"` // between its dispatches
	Budgets  []int64       `json:"b,omitempty"` // tokens
}

// A report is what a process tells the leader. Times are by its own clock, which the
// leader compares with nothing but Sent.
type report struct {
	Member  string    `json:"m"`
	Number  int64     `json:"n"` // counts up
	Sent    time.Time `json:"at"`
	Term    int64     `json:"t,omitempty"` // of the grant in force; 0: none
	Grant   int64     `json:"g,omitempty"` // its number
	Since   time.Time `json:"z"`           // when it was put in force
	Share   share     `json:"s"`           // in force
	Limits  string    `json:"c,omitempty"` // what it was configured with
	Leaving bool      `json:"x,omitempty"`

	Runs      []controller.Run `json:"r,omitempty"`
	Started   int64            `json:"d"` // attempts, in all
	InFlight  int              `json:"f,omitempty"`
	Hungry    hunger           `json:"h,omitzero"`
	Needs     []need           `json:"u,omitempty"` // of each budget
	PausedFor time.Duration    `json:"p,omitempty"`
}

// hunger says what a process would use more of.
type hunger struct {
	Limit  bool `json:"l,omitempty"`
	Pace   bool `json:"p,omitempty"`
	Budget bool `json:"b,omitempty"`
}

func (h hunger) any() bool { return h.Limit || h.Pace || h.Budget }

// A need is what a process has used of a budget, and what its next attempt waits for.
type need struct {
	Used int64 `json:"u"`
	Next int64 `json:"n,omitempty"`
}

// A grant is a share, from the leader.
type grant struct {
	Term      int64              `json:"t"`
	Number    int64              `json:"n"`           // counts up in a term, for each process
	Answers   int64              `json:"a"`           // the last report that was heard
	Share     share              `json:"s"`           //
	PausedFor time.Duration      `json:"p,omitempty"` // somebody was asked to pause
	Every     time.Duration      `json:"e"`           // time between reports
	Fleet     controller.Setting `json:"f"`           // what all may use together
	Members   int                `json:"k"`
	Refused   string             `json:"x,omitempty"` // why there is no share
}

// A poll has all processes report.
type poll struct {
	Term int64 `json:"t"`
}

// A state is what a leader keeps for the next one.
type state struct {
	Term    int64                   `json:"term"`
	At      time.Time               `json:"at"`
	Learned *controller.Setting     `json:"learned,omitempty"`
	Gone    [][]controller.Spending `json:"gone,omitempty"`    // of each budget, by processes that are gone
	Members map[string][]int64      `json:"members,omitempty"` // tokens of each budget that each may have used
}
