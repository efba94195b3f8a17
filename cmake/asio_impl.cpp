// SPDX-License-Identifier: Apache-2.0
// The one unit in which Boost.Asio and Beast are compiled (their "separate compilation" mode).
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>
