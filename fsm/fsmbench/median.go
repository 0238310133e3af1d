package main

import (
	"slices"
	"time"
)

// medianOf returns the middle of what value says of each, 0 of none.
func medianOf[T any](all []T, value func(T) float64) float64 {
	if len(all) == 0 {
		return 0
	}
	values := make([]float64, 0, len(all))
	for _, one := range all {
		values = append(values, value(one))
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

func perSecond(n int, took time.Duration) float64 {
	return float64(n) / max(took, time.Nanosecond).Seconds()
}
