//! Prefixes at which callees are paid by callers, by the numbering plans of the larger countries.
//!
//! Not a law and never complete: a table adds its own in the same rule.

/// What `premium = true` adds to a rule's prefixes.
pub(super) const PREFIXES: &[&str] = &[
    "+979",   // international premium rate service (ITU-T E.169.2)
    "+1900",  // North America
    "+31900", // Netherlands
    "+31906", "+31909", "+3290",  // Belgium
    "+3389",  // France
    "+34803", // Spain
    "+34806", "+34807", "+34905", "+35315",  // Ireland
    "+358600", // Finland
    "+358700", "+3690",  // Hungary
    "+39892", // Italy
    "+39894", "+39895", "+39899", "+41900", // Switzerland
    "+41901", "+41906", "+42090", // Czechia
    "+43900", // Austria
    "+43901", "+43930", "+43931", "+449",   // United Kingdom
    "+44871", // its service numbers
    "+44872", "+44873", "+4590",  // Denmark
    "+46900", // Sweden
    "+46939", "+46944", "+47820", // Norway
    "+47829", "+4870",  // Poland
    "+49137", // Germany
    "+49900", "+52900",  // Mexico
    "+55900",  // Brazil
    "+61190",  // Australia
    "+64900",  // New Zealand
    "+651900", // Singapore
    "+7809",   // Russia
    "+81990",  // Japan
];
