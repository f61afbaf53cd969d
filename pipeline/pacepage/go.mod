module github.com/paceline-go/paceline/pipeline/pacepage

go 1.26.0

require (
	github.com/paceline-go/paceline v0.0.0
	go.uber.org/goleak v1.3.0
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	github.com/caarlos0/env/v11 v11.4.2 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/sourcegraph/conc v0.3.0 // indirect
)

replace github.com/paceline-go/paceline => ../..
