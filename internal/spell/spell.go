// Package spell finds what a misspelt name was meant to be, for error messages.
package spell

import "strings"

// Closest finds the name that word is most likely a misspelling of, or "" where none is near enough.
func Closest(word string, names []string) string {
	best, bestDistance := "", 1+max(1, len(word)/3)
	for _, name := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, drop, replace or swap with the neighbour to get from a to b.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// Slip finds the name that word differs from by one slip of the fingers, or by its case. It returns "" where there is none,
// where word is itself one of the names, and where word is so short that it may well be another name.
func Slip(word string, names []string) string {
	const shortest = 4
	slip := ""
	for _, name := range names {
		if name == word {
			return ""
		}
		if len(word) >= shortest && distance(strings.ToLower(word), strings.ToLower(name)) <= 1 {
			slip = name
		}
	}
	return slip
}
