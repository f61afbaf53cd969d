package service

import (
	"math"
	"time"
)

// day says what the sun does at one place on one date.
type day struct {
	Sunrise, Sunset time.Time // zero if the sun does not cross the horizon
	Noon            time.Time // when the sun stands highest
	Length          time.Duration
}

// zenith of the sun's centre at sunrise and sunset: 90° plus its radius and
// the refraction at the horizon, as NOAA has it.
const zenith = 90.833

// julian2000 is the epoch that the solar equations count from.
var julian2000 = time.Date(2000, time.January, 1, 12, 0, 0, 0, time.UTC)

// sun computes the solar day at lat and lon (degrees, north and east positive)
// whose noon falls on date. The equations are those of NOAA's solar calculator
// (after Meeus, Astronomical Algorithms), good to a minute up to ±72° latitude.
func sun(lat, lon float64, date time.Time) day {
	midnight := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, time.UTC)
	noon := midnight
	for range 2 { // the equation of time is needed at noon, which it moves by seconds
		_, equation := position(noon)
		noon = midnight.Add(minutes(720 - 4*lon - equation))
	}
	declination, _ := position(noon)
	half, crosses := hourAngle(lat, declination)
	if !crosses {
		return day{Noon: noon, Length: minutes(8 * half)}
	}
	rise, set := crossing(lat, lon, midnight, noon, -half), crossing(lat, lon, midnight, noon, half)
	return day{Sunrise: rise, Sunset: set, Noon: noon, Length: set.Sub(rise)}
}

// crossing refines the moment when the sun crosses the horizon, from its
// position at noon to that at the crossing itself.
func crossing(lat, lon float64, midnight, noon time.Time, angle float64) time.Time {
	at := noon.Add(minutes(4 * angle))
	declination, equation := position(at)
	half, crosses := hourAngle(lat, declination)
	if !crosses { // at the edge of the polar day, where a refinement has nothing to meet
		return at
	}
	return midnight.Add(minutes(720 - 4*lon - equation + 4*math.Copysign(half, angle)))
}

// hourAngle returns half the arc in degrees that the sun spends above the
// horizon: 0 in the polar night, 180 in the polar day, where it crosses nothing.
func hourAngle(lat, declination float64) (half float64, crosses bool) {
	cos := cosd(zenith)/(cosd(lat)*cosd(declination)) - tand(lat)*tand(declination)
	if cos >= 1 {
		return 0, false
	}
	if cos <= -1 {
		return 180, false
	}
	return math.Acos(cos) * 180 / math.Pi, true
}

// position returns the sun's declination in degrees and the equation of time
// in minutes.
func position(at time.Time) (declination, equation float64) {
	c := at.Sub(julian2000).Hours() / 24 / 36525 // Julian centuries

	longitude := math.Mod(280.46646+c*(36000.76983+c*0.0003032), 360)
	anomaly := 357.52911 + c*(35999.05029-0.0001537*c)
	eccentricity := 0.016708634 - c*(0.000042037+0.0000001267*c)
	centre := sind(anomaly)*(1.914602-c*(0.004817+0.000014*c)) +
		sind(2*anomaly)*(0.019993-0.000101*c) + sind(3*anomaly)*0.000289

	node := 125.04 - 1934.136*c
	apparent := longitude + centre - 0.00569 - 0.00478*sind(node)
	obliquity := 23 + (26+(21.448-c*(46.815+c*(0.00059-c*0.001813)))/60)/60 + 0.00256*cosd(node)
	declination = math.Asin(sind(obliquity)*sind(apparent)) * 180 / math.Pi

	y := tand(obliquity/2) * tand(obliquity/2)
	equation = 4 * 180 / math.Pi * (y*sind(2*longitude) - 2*eccentricity*sind(anomaly) +
		4*eccentricity*y*sind(anomaly)*cosd(2*longitude) -
		0.5*y*y*sind(4*longitude) - 1.25*eccentricity*eccentricity*sind(2*anomaly))
	return declination, equation
}

func minutes(m float64) time.Duration { return time.Duration(m * float64(time.Minute)) }

func sind(degrees float64) float64 { return math.Sin(degrees * math.Pi / 180) }
func cosd(degrees float64) float64 { return math.Cos(degrees * math.Pi / 180) }
func tand(degrees float64) float64 { return math.Tan(degrees * math.Pi / 180) }
