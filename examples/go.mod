module github.com/paceline-go/paceline/examples

go 1.26.0

require (
	github.com/dustin/go-humanize v1.1.0
	github.com/paceline-go/paceline v0.0.0
	github.com/paceline-go/paceline/pipeline/pacepage v0.0.0
	github.com/paceline-go/paceline/pipeline/paceterm v0.0.0
	github.com/sourcegraph/conc v0.3.0
	go.uber.org/goleak v1.3.0
	golang.org/x/time v0.16.0
	modernc.org/sqlite v1.61.1
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	github.com/caarlos0/env/v11 v11.4.2 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/schollz/progressbar/v3 v3.19.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/term v0.47.0 // indirect
	modernc.org/libc v1.79.0 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)

replace github.com/paceline-go/paceline => ../

replace github.com/paceline-go/paceline/pipeline/pacepage => ../pipeline/pacepage

replace github.com/paceline-go/paceline/pipeline/paceterm => ../pipeline/paceterm
