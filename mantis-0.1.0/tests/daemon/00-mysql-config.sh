#!/bin/bash
# 00: where pkg-config knows no client library, configure takes mysql_config's word, from the PATH or from MYSQL_CONFIG, and
# the storage mysql that is built with it works; where there is neither, or one that lies, it names the package.
# SPDX-License-Identifier: LGPL-2.1-or-later
. "${0%/*}/functions.sh"
requires make python3 sqlite3 mysql_config pkg-config
[ "$build" = "$top" ] || skip "another build is under test"

# The tree as it is built, without the plugin.
cp -a "$top" tree
rm -f tree/plugins/storage/mysql/*.o tree/plugins/storage/mysql/*.l[ao] tree/plugins/storage/mysql/.libs/*
mkdir bin
real=$(command -v pkg-config) config=$(command -v mysql_config)
cat > bin/pkg-config << END
#!/bin/sh
case "\$*" in *mariadb* | *mysqlclient*) exit 1 ;; esac
exec $real "\$@"
END
cat > bin/own_config << END
#!/bin/sh
echo "\$*" >> "$work/asked"
exec $config "\$@"
END
printf '#!/bin/sh\necho -I/nonexistent -lnonexistent\n' > bin/mysql_config
cp bin/mysql_config bin/mariadb_config
chmod +x bin/*

options=$(cd tree && ./config.status --config)
# configure ARGUMENT...: as the tree was, with no pkg-config for this; its words are in configure.log.
configure ()
{
  (
    cd tree
    [ ! -e ../cache ] || sed -i /MYSQL_CONFIG/d ../cache
    unset MYSQL_CFLAGS MYSQL_LIBS
    eval "set -- $options \"\$@\""
    PATH=$work/bin:$PATH ./configure --cache-file=../cache "$@" PKG_CONFIG="$work/bin/pkg-config" > ../configure.log 2>&1
  )
}

# One that lies.
! configure || fail "configure believes in a library that is not there"
grep -q 'apt-get install.*default-libmysqlclient-dev' configure.log || fail "$(tail configure.log)"

# One that is named.
configure MYSQL_CONFIG="$work/bin/own_config" || fail "$(tail -n 30 configure.log)"
grep -q "storage.*mysql ($work/bin/own_config)" configure.log || fail "$(tail -n 30 configure.log)"
[ "$(grep -c -e --libs asked)" = 1 ] || fail "it was not asked"

# One in the PATH, which the plugin is built with.
cp bin/own_config bin/mariadb_config
: > asked
configure || fail "$(tail -n 30 configure.log)"
grep -q "storage.*mysql (mariadb_config)" configure.log || fail "$(tail -n 30 configure.log)"
make -C tree plugins/storage/mysql/mysql.la > make.log 2>&1 || fail "$(tail -n 30 make.log)"
grep -q 'plugins/storage/mysql/.*connect' make.log || fail "nothing was built: $(cat make.log)"
[ -e tree/plugins/storage/mysql/.libs/mysql.so ] || fail "there is no plugin"
start_mariadb shop
maria "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)"
sed -i "s|{\"mode\"|{\"plugins\": [\"rest\", \"jwt\", \"timestamp\", \"$work/tree/plugins/storage/mysql/.libs/mysql.so\"], \"mode\"|" shop.json
start_mantisd shop --mode server
has_message shop "$work/tree/plugins/storage/mysql/.libs/mysql.so" || fail "this is another plugin"
start_mantisd tablet --mode client
wait_for_maria tablet
