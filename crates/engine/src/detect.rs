//! The module's own attack detectors (`api_sessions_detect`).
