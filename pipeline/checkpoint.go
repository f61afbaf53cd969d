package pipeline

// Checkpoint returns what the throttle has learned and used, for one of another process to
// go on from; it can be kept as JSON. What is in flight counts as used. A trial that
// is under way counts as nothing, and a service that is down as it was before.
func (t *Throttle) Checkpoint() Checkpoint { return t.dispatcher.Checkpoint() }

// Resume goes on from a checkpoint of another throttle, and reports whether it did: not if
// an attempt was made already. Call it before work goes through.
//
// What was used of a budget of the same name stays used for as long as its window says, and
// a pause that a server asked for is waited out. What the policy had learned is believed
// for an hour: Seek and AIMD begin there, within the bounds of the configuration.
// Clocks may differ: what seems to be used later than now counts as used now.
func (t *Throttle) Resume(c Checkpoint) bool { return t.dispatcher.Resume(c) }
