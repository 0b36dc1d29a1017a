/// \file
/// What the compiler has. Everything depends on this file, and it on nothing.
///
/// The namespace within bitcask is named after it: translation units of different standards, or with and without exceptions, may be linked
/// into one program, and their inline functions, which differ in what they return, must not be taken for each other.
#ifndef BITCASK_CONFIG_HPP
#define BITCASK_CONFIG_HPP

#include <bitcask.h>

#if __has_include(<version>)
#include <version>
#endif

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define BITCASK_HAS_EXCEPTIONS 1
#define BITCASK_NAMESPACE_A x
#else
#define BITCASK_HAS_EXCEPTIONS 0
#define BITCASK_NAMESPACE_A n
#endif

#if defined(__cpp_lib_expected) && __cpp_lib_expected >= 202202L
#define BITCASK_HAS_EXPECTED 1
#define BITCASK_NAMESPACE_B e
#else
#define BITCASK_HAS_EXPECTED 0
#define BITCASK_NAMESPACE_B r
#endif

#if defined(__cpp_lib_span) && __cpp_lib_span >= 202002L
#define BITCASK_HAS_SPAN 1
#define BITCASK_NAMESPACE_C s
#else
#define BITCASK_HAS_SPAN 0
#define BITCASK_NAMESPACE_C v
#endif

#define BITCASK_JOIN_(a, b, c) v0_##a##b##c
#define BITCASK_JOIN(a, b, c) BITCASK_JOIN_(a, b, c)
#define BITCASK_NAMESPACE BITCASK_JOIN(BITCASK_NAMESPACE_A, BITCASK_NAMESPACE_B, BITCASK_NAMESPACE_C)

#endif
