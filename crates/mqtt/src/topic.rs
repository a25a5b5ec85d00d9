//! Topic names and topic filters: what is valid, and what matches (4.7).
