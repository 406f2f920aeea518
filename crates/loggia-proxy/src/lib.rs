//! Entrances: canonical paths, virtual proxies, anonymous modes, sign-in and the pages around them.
