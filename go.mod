module github.com/paceline-go/paceline

go 1.26.0

require (
	github.com/benbjohnson/clock v1.3.5
	github.com/caarlos0/env/v11 v11.4.2
	github.com/go-viper/mapstructure/v2 v2.5.0
	github.com/sourcegraph/conc v0.3.0
	go.uber.org/goleak v1.3.0
	pgregory.net/rapid v1.3.0
)
