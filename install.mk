# Installs the C library: make install [PREFIX=/usr/local] [LIBDIR=$PREFIX/lib] [INCLUDEDIR=$PREFIX/include] [DESTDIR=]
#
# To be included by the Makefile at the top; works by itself too: make -f install.mk install. Everything that is
# installed is listed once, in BITCASK_INSTALLED and the recipe of `install`.

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
CARGO ?= cargo
INSTALL ?= install

BITCASK_ROOT := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
# Version and SONAME each have one place.
BITCASK_VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[w/s/^version = "\(.*\)"/\1/p' $(BITCASK_ROOT)/Cargo.toml)
BITCASK_SONAME := $(shell grep -o 'libbitcask\.so\.[0-9]*' $(BITCASK_ROOT)/ffi/build.rs | head -n 1)
BITCASK_SHARED := libbitcask.so.$(BITCASK_VERSION)
BITCASK_DESCRIPTION := $(shell sed -n '/^\[workspace.package\]/,/^\[w/s/^description = "\(.*\)"/\1/p' $(BITCASK_ROOT)/Cargo.toml)
BITCASK_TARGET := $(or $(CARGO_TARGET_DIR),$(BITCASK_ROOT)/target)/release
# The C++ header and the folder of its parts.
BITCASK_HPP := $(BITCASK_ROOT)/bindings/cpp/include/bitcask.hpp
BITCASK_HPP_PARTS := $(sort $(wildcard $(BITCASK_ROOT)/bindings/cpp/include/bitcask/*.hpp))
BITCASK_CMAKE := $(LIBDIR)/cmake/bitcask

BITCASK_INSTALLED := $(addprefix $(LIBDIR)/,$(BITCASK_SHARED) $(BITCASK_SONAME) libbitcask.so libbitcask.a pkgconfig/bitcask.pc) \
	$(addprefix $(BITCASK_CMAKE)/,bitcaskConfig.cmake bitcaskConfigVersion.cmake) \
	$(addprefix $(INCLUDEDIR)/,bitcask.h bitcask.hpp $(addprefix bitcask/,$(notdir $(BITCASK_HPP_PARTS))))

.PHONY: install uninstall ffi-release

ffi-release:
	cd $(BITCASK_ROOT) && $(CARGO) build --release -p bitcask-ffi

# The libraries that only libbitcask.a needs are asked of the compiler. Paths in the .pc file are relative to its prefix
# where they can be, those in the CMake files to the files themselves.
install: ffi-release
	native=$$($(BITCASK_ROOT)/packaging/native-libs.sh $(BITCASK_ROOT)) && \
	include=$$(realpath -m --relative-to=$(BITCASK_CMAKE) $(INCLUDEDIR) 2>/dev/null || echo $(INCLUDEDIR)) && \
	pointer=$$(getconf LONG_BIT) && \
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(BITCASK_CMAKE) $(DESTDIR)$(INCLUDEDIR)/bitcask && \
	fill() { \
		sed -e 's|@PREFIX@|$(PREFIX)|g' \
			-e 's|@LIBDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|g' \
			-e 's|@INCLUDEDIR@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(INCLUDEDIR))|g' \
			-e "s|@CMAKE_INCLUDEDIR@|$$include|g" \
			-e 's|@VERSION@|$(BITCASK_VERSION)|g' \
			-e 's|@VERSION_MAJOR@|$(firstword $(subst ., ,$(BITCASK_VERSION)))|g' \
			-e 's|@DESCRIPTION@|$(BITCASK_DESCRIPTION)|g' \
			-e 's|@SONAME@|$(BITCASK_SONAME)|g' \
			-e 's|@SHARED@|$(BITCASK_SHARED)|g' \
			-e "s|@POINTER_SIZE@|$$((pointer / 8))|g" \
			-e "s|@NATIVE_LIBS@|$$native|g" \
			-e "s|@NATIVE_LIBS_LIST@|$$(echo "$$native" | tr ' ' ';')|g" \
			$(BITCASK_ROOT)/packaging/$$1.in >"$(DESTDIR)$$2/$$1" && chmod 644 "$(DESTDIR)$$2/$$1"; \
	} && \
	fill bitcask.pc $(LIBDIR)/pkgconfig && \
	fill bitcaskConfig.cmake $(BITCASK_CMAKE) && \
	fill bitcaskConfigVersion.cmake $(BITCASK_CMAKE)
	$(INSTALL) -m 755 $(BITCASK_TARGET)/libbitcask.so $(DESTDIR)$(LIBDIR)/$(BITCASK_SHARED)
	ln -sf $(BITCASK_SHARED) $(DESTDIR)$(LIBDIR)/$(BITCASK_SONAME)
	ln -sf $(BITCASK_SONAME) $(DESTDIR)$(LIBDIR)/libbitcask.so
	$(INSTALL) -m 644 $(BITCASK_TARGET)/libbitcask.a $(DESTDIR)$(LIBDIR)/libbitcask.a
	$(INSTALL) -m 644 $(BITCASK_ROOT)/include/bitcask.h $(BITCASK_HPP) $(DESTDIR)$(INCLUDEDIR)
	$(INSTALL) -m 644 $(BITCASK_HPP_PARTS) $(DESTDIR)$(INCLUDEDIR)/bitcask

uninstall:
	rm -f $(addprefix $(DESTDIR),$(BITCASK_INSTALLED))
	-rmdir $(DESTDIR)$(BITCASK_CMAKE) $(DESTDIR)$(INCLUDEDIR)/bitcask
