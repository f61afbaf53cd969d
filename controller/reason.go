package controller

import "fmt"

// A Reason says why a policy changed the limit or the interval.
type Reason uint8

// Why the limit or the interval was changed.
const (
	NoReason           Reason = iota // as configured, or the policy does not say
	ReasonStart                      // nothing was refused yet, and it grows
	ReasonRefusedRate                // refused at this rate: the interval is longer
	ReasonRefusedLimit               // refused with this many in flight: the limit is lower
	ReasonQueueing                   // attempts waited for one another at the service
	ReasonTold                       // the server said when it accepts again
	ReasonTrial                      // a little more is tried
	ReasonTrialHeld                  // what was tried works, and stays
	ReasonTrialFailed                // what was tried was refused
	ReasonTrialEnded                 // what was tried showed nothing
	ReasonDown                       // the service is taken for down
	ReasonBack                       // it is back
	ReasonChance                     // refusals did not go with the pressure: they were chance
	ReasonFailures                   // failures piled up
	ReasonCooled                     // no failure for long enough
	ReasonUpdate                     // the configuration is another
	ReasonRecalled                   // a throttle of another process had learned it
)

var reasonNames = [...]string{
	"", "start", "refused at this rate", "refused at this many", "queueing", "told by the server",
	"trial", "trial held", "trial failed", "trial ended", "down", "back", "chance", "failures", "cooled", "update", "recalled",
}

func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", int(r))
}
