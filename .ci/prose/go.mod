module github.com/paceline-go/paceline/.ci/prose

go 1.26.0
