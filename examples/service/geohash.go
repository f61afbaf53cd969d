package service

const geohashDigits = "0123456789bcdefghjkmnpqrstuvwxyz"

// geohash encodes a place in base 32, five bits a digit, which halve the range
// of longitude and of latitude in turn (G. Niemeyer, 2008). Nine digits tell
// places apart that are five metres from each other.
func geohash(lat, lon float64, digits int) string {
	ranges := [2]struct{ low, high, value float64 }{{-180, 180, lon}, {-90, 90, lat}}
	hash := make([]byte, digits)
	for bit := range digits * 5 {
		r := &ranges[bit%2]
		middle := (r.low + r.high) / 2
		hash[bit/5] <<= 1
		if r.value >= middle {
			hash[bit/5] |= 1
			r.low = middle
		} else {
			r.high = middle
		}
	}
	for i, digit := range hash {
		hash[i] = geohashDigits[digit]
	}
	return string(hash)
}
