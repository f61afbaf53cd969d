package main

import (
	"math"
	"time"
)

// A histogram counts durations in classes that grow by a hundredth, so that a quantile is off by no more than that.
type histogram struct {
	classes []int
	total   int
}

const classGrowth = 1.01

var logGrowth = math.Log(classGrowth)

func (h *histogram) add(d time.Duration) {
	class := int(math.Log(max(float64(d), 1)) / logGrowth)
	if class >= len(h.classes) {
		h.classes = append(h.classes, make([]int, class+1-len(h.classes))...)
	}
	h.classes[class]++
	h.total++
}

// quantile returns the least duration that at least the share q does not exceed, 0 if there is none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(h.total)))
	for class, n := range h.classes {
		if rank -= n; rank <= 0 && h.total > 0 {
			return time.Duration(math.Pow(classGrowth, float64(class)+0.5))
		}
	}
	return 0
}
