package consul

// Plans are the plans that can be forced.
var Plans = []string{"single"}
