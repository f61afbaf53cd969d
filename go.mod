module github.com/paceline-go/paceline

go 1.26

require (
	github.com/benbjohnson/clock v1.3.5
	github.com/sourcegraph/conc v0.3.0
)
