package service

import "testing"

func TestGeohashMatchesPublishedValues(t *testing.T) {
	for _, c := range []struct {
		lat, lon float64
		want     string
	}{
		{57.64911, 10.40744, "u4pruydqqvj"}, // the example of Niemeyer's own page
		{42.6, -5.6, "ezs42"},
		{-25.382708, -49.265506, "6gkzwgjzn820"},
		{0, 0, "s00000000"},
		{-90, -180, "000000"},
		{90, 180, "zzzzzz"},
	} {
		if got := geohash(c.lat, c.lon, len(c.want)); got != c.want {
			t.Errorf("geohash(%v, %v): got %s, want %s", c.lat, c.lon, got, c.want)
		}
	}
}
