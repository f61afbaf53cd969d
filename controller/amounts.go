package controller

// Amounts are how much of several things there is or was used, by name: input tokens, output
// tokens, money. A Budget says with Counts which name it is of. They are whole numbers, so that
// sums are exact: give money in its smallest unit, such as millionths of a dollar. The empty
// name is that of the one number that a budget without Counts counts, tokens for short.
type Amounts map[string]int64
