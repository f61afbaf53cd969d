package main

import "github.com/paceline-go/paceline/pipeline"

// contestants in the order of the tables.
func contestants() []contestant {
	return []contestant{
		{name: "paceline, AIMD", call: paceline(pipeline.AIMD{})},
	}
}
