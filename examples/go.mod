module github.com/paceline-go/paceline/examples

go 1.26.0

require github.com/paceline-go/paceline v0.0.0

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	go.uber.org/goleak v1.3.0 // indirect
	golang.org/x/time v0.16.0 // indirect
)

replace github.com/paceline-go/paceline => ../
