package service

import (
	"testing"
	"time"
)

// Sunrise and sunset as the almanacs give them, in local time.
func TestSunMatchesAlmanac(t *testing.T) {
	for _, c := range []struct {
		place     string
		lat, lon  float64
		zone      int // hours east of UTC
		date      string
		rise, set string
	}{
		{"London, summer", 51.5074, -0.1278, 1, "2024-06-20", "04:43", "21:21"},
		{"London, winter", 51.5074, -0.1278, 0, "2024-12-21", "08:04", "15:53"},
		{"New York", 40.7128, -74.0060, -4, "2024-06-20", "05:25", "20:31"},
		{"Tokyo", 35.6762, 139.6503, 9, "2024-12-21", "06:47", "16:32"},
		{"Sydney", -33.8688, 151.2093, 10, "2024-06-21", "07:00", "16:54"},
		{"Quito", -0.1807, -78.4678, -5, "2024-03-20", "06:18", "18:25"},
	} {
		t.Run(c.place, func(t *testing.T) {
			zone := time.FixedZone("", c.zone*3600)
			got := sun(c.lat, c.lon, parseDate(t, c.date))
			near(t, "sunrise", got.Sunrise, parseIn(t, c.date+" "+c.rise, zone))
			near(t, "sunset", got.Sunset, parseIn(t, c.date+" "+c.set, zone))
			if want := got.Sunset.Sub(got.Sunrise); got.Length != want {
				t.Errorf("length: got %v, want %v", got.Length, want)
			}
		})
	}
}

func TestSunBeyondThePolarCircle(t *testing.T) {
	const lat, lon = 69.6492, 18.9553 // Tromsø
	for date, length := range map[string]time.Duration{"2024-06-21": 24 * time.Hour, "2024-12-21": 0} {
		got := sun(lat, lon, parseDate(t, date))
		if !got.Sunrise.IsZero() || !got.Sunset.IsZero() {
			t.Errorf("%s: got a sunrise at %v and a sunset at %v, want none", date, got.Sunrise, got.Sunset)
		}
		if got.Length != length {
			t.Errorf("%s: got a day of %v, want %v", date, got.Length, length)
		}
	}
}

func TestSunDaysAreWholeAtEveryPlaceAndDate(t *testing.T) {
	for lat := -90.0; lat <= 90; lat += 7.5 {
		for lon := -180.0; lon <= 180; lon += 45 {
			for n := range 13 {
				date := time.Date(2026, 1, 1+30*n, 0, 0, 0, 0, time.UTC)
				got := sun(lat, lon, date)
				if got.Length < 0 || got.Length > 24*time.Hour {
					t.Fatalf("%v, %v on %s: got a day of %v", lat, lon, date.Format(time.DateOnly), got.Length)
				}
				if off := got.Noon.Sub(date.Add(12*time.Hour - minutes(4*lon))); off.Abs() > 17*time.Minute {
					t.Fatalf("%v, %v on %s: noon is %v off the mean one", lat, lon, date.Format(time.DateOnly), off)
				}
			}
		}
	}
}

// near allows what the almanacs round off and NOAA's equations leave out.
func near(t *testing.T, what string, got, want time.Time) {
	t.Helper()
	if off := got.Sub(want); off.Abs() > 90*time.Second {
		t.Errorf("%s: got %v, want %v (%v off)", what, got.In(want.Location()), want, off)
	}
}

func parseDate(t *testing.T, s string) time.Time {
	t.Helper()
	return parseIn(t, s+" 00:00", time.UTC)
}

func parseIn(t *testing.T, s string, zone *time.Location) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
