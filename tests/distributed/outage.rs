//! What a limit decides while its store is not well.
