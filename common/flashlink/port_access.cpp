// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/port_access.hpp"

#include "common/serial/port_stream.hpp"

namespace tml::flashlink {

serial::Awaitable<Result<std::unique_ptr<serial::ByteStream>>> OwnPort::open(std::uint32_t baud) {
  serial::PortOptions options;
  options.baud = baud;
  auto stream = serial::PortStream::open(executor_, path_, options);
  if (!stream) co_return pass(std::move(stream.error()));
  std::unique_ptr<serial::ByteStream> result = std::move(*stream);
  co_return result;
}

}  // namespace tml::flashlink
