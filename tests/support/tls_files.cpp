// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_files.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace tml::test {

bool TlsFiles::make(const std::filesystem::path& folder, const std::string& ca_name, const std::string& names,
                    TlsFiles& out, std::string& problem) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "openssl.cnf") << "[req]\ndistinguished_name = name\n[name]\n"
                                        << "[ca]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign\n"
                                        << "[server]\nbasicConstraints = CA:FALSE\nsubjectAltName = " << names << "\n";
  const std::string request =
      "openssl req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 ";
  const std::string command = "cd '" + folder.string() + "' && { " + request + "-extensions ca -subj '/CN=" + ca_name +
                              "' -keyout ca.key -out ca.pem && " + request +
                              "-extensions server -subj /CN=server -CA ca.pem -CAkey ca.key -keyout server.key"
                              " -out server.pem; } > openssl.log 2>&1";
  if (std::system(command.c_str()) != 0) {
    std::ifstream log(folder / "openssl.log");
    problem = "openssl: " + std::string(std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>());
    return false;
  }
  out.ca = folder / "ca.pem";
  out.certificate = folder / "server.pem";
  out.key = folder / "server.key";
  return true;
}

}  // namespace tml::test
