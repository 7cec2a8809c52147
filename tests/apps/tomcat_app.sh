#!/usr/bin/env bash
# tomcat_app.sh PORT DIRECTORY: Debian's Tomcat with one application, in a directory of its own.
set -euo pipefail
port=$1 base=$2/tomcat here=$(dirname "$0")
mkdir -p "$base"/{conf,logs,temp,work,webapps/ROOT/WEB-INF}
cp /etc/tomcat10/web.xml "$base/conf/"
cp "$here/tomcat_app.jsp" "$base/webapps/ROOT/app.jsp"
cat >"$base/conf/server.xml" <<END
<Server port="-1">
  <Service name="Catalina">
    <Connector port="$port" address="127.0.0.1" protocol="HTTP/1.1" />
    <Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps" /></Engine>
  </Service>
</Server>
END
cat >"$base/webapps/ROOT/WEB-INF/web.xml" <<END
<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="6.0">
  <servlet><servlet-name>app</servlet-name><jsp-file>/app.jsp</jsp-file><load-on-startup>1</load-on-startup></servlet>
  <servlet-mapping><servlet-name>app</servlet-name><url-pattern>/*</url-pattern></servlet-mapping>
</web-app>
END
export CATALINA_HOME=/usr/share/tomcat10 CATALINA_BASE=$base
export JAVA_OPTS="-Djava.awt.headless=true -Xmx256m -XX:TieredStopAtLevel=1"
exec bash "$CATALINA_HOME/bin/catalina.sh" run
