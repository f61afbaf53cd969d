// Package data holds the 8,000 largest cities of the world, for programs that need
// real rows. README.md says where they are from.
package data

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
)

//go:embed cities.csv.gz
var packed []byte

// A City is a row.
type City struct {
	ID            int64 // of GeoNames
	Name, Country string
	Lat, Lon      float64 // degrees, WGS84
	Population    int64
}

// Cities returns all rows, the largest city first.
func Cities() ([]City, error) {
	file, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("cities: %w", err)
	}
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("cities: %w", err)
	}
	cities := make([]City, 0, len(rows))
	for i, row := range rows[1:] { // after the header
		c, err := parse(row)
		if err != nil {
			return nil, fmt.Errorf("cities: row %d: %w", i+1, err)
		}
		cities = append(cities, c)
	}
	return cities, nil
}

func parse(row []string) (c City, err error) {
	c.Name, c.Country = row[1], row[2]
	if c.ID, err = strconv.ParseInt(row[0], 10, 64); err != nil {
		return c, err
	}
	if c.Lat, err = strconv.ParseFloat(row[3], 64); err != nil {
		return c, err
	}
	if c.Lon, err = strconv.ParseFloat(row[4], 64); err != nil {
		return c, err
	}
	c.Population, err = strconv.ParseInt(row[5], 10, 64)
	return c, err
}
