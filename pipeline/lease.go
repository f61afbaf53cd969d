package pipeline

import (
	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/stage"
)

type (
	// Leased is the policy of a throttle that is one of many under a common limit: nothing
	// starts without a lease. See [Throttle.Lease].
	Leased = controller.Leased

	// A Lease is what one of many throttles may use of their common limits. Its fields:
	// [stage.Lease].
	Lease = stage.Lease

	// Usage is what a throttle has done under its leases. Its fields: [stage.Usage].
	Usage = stage.Usage

	// A Run is attempts that ended alike. Its fields: [controller.Run].
	Run = controller.Run
)

// Lease puts a lease in force and returns what came of attempts since the one before. The
// throttle must have the policy Leased, or ok is false and nothing changes. It lets nothing
// start before its first lease, nor when a lease has ended. What has started goes on, also
// if it is more than the lease allows.
//
// It is for those who keep several processes under one limit; package pacefleet is one that
// does.
func (t *Throttle) Lease(l Lease) (u Usage, ok bool) { return t.dispatcher.Lease(l) }
