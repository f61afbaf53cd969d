package controller

// costs knows how far the costs of jobs are apart, where attempts tell what they used. A quota
// that is given enough for four jobs of the mean may not have enough for one that costs more.
type costs struct {
	mean mean
	most float64 // of the recent ones
}

// mostForgotten is the share of its distance to the mean by which the most falls with each success, so
// that it is that of the last hundred or so.
const mostForgotten = 0.01

func (c *costs) add(tokens int64) {
	if tokens <= 0 {
		return
	}
	c.mean.add(float64(tokens))
	c.most = max(float64(tokens), c.most-mostForgotten*(c.most-c.mean.value))
}

// spread returns how many times the mean the job costs that costs most, 1 if nobody tells.
func (c *costs) spread() float64 {
	if c.mean.n == 0 {
		return 1
	}
	return max(c.most/c.mean.value, 1)
}
