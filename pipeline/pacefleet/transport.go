package pacefleet

import (
	"context"
	"time"
)

// A Transport carries messages between the processes of a fleet, and keeps who leads it.
// Whatever can publish and can keep a value for a second will do. Its methods may be called
// from any goroutine.
type Transport interface {
	// Publish sends a message to those who have subscribed to the subject. It may be lost,
	// but not twice there. A subject is letters, digits and a point.
	Publish(subject string, message []byte) error

	// Subscribe calls receive with each message from now on, until stop is called, one after
	// another. receive does not block.
	Subscribe(subject string, receive func(message []byte)) (stop func(), err error)

	// Lead makes this process the leader for Term, from the time of the call, if nobody
	// else is, or if it is already; and keeps state for the next leader. It returns what the
	// last leader has kept, nil if there was none. Nobody else may lead before Term is over,
	// whatever becomes of this process.
	Lead(ctx context.Context, state []byte) (leads bool, last []byte, err error)

	// Resign lets another process lead at once.
	Resign(ctx context.Context) error
}

// Term is for how long a leader leads if it does not say again that it does.
const Term = time.Second

// How often things are done. A process sends a report each reportEvery, at once when it has new
// work, and gets a grant for it: less than three messages a second, while nothing changes. More
// often does not help the policy: with polls each 25 ms and reports every 700 ms, eight processes
// that looked for a rate used a percent less, and twice as many of theirs were refused.
const (
	reportEvery   = 850 * time.Millisecond
	reportSoonest = 25 * time.Millisecond   // after the one before
	leaseFor      = 2 * time.Second         // from the report that a grant answers
	renewEvery    = 300 * time.Millisecond  // a term
	campaignAfter = 1100 * time.Millisecond // without a grant, which come each reportEvery
	campaignEvery = 200 * time.Millisecond
	pollSoonest   = 100 * time.Millisecond // after the one before
	pollEach      = 100 * time.Microsecond // the same, for each process
	grantSoonest  = 20 * time.Millisecond  // after the one before, unless it is an answer
)
