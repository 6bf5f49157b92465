//! The PROXY header (v1 and v2) that trusted load balancers put in front of a connection.
