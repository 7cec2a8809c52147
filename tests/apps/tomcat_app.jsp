<%@ page session="false" contentType="text/plain" trimDirectiveWhitespaces="true" %><%
// The servlet container's sessions: a new id at login, ";jsessionid=" in links for clients without cookies.
String path = request.getPathInfo() == null ? request.getServletPath() : request.getPathInfo();
if (path.equals("/asset.css")) {
    out.print("body {}");
    return;
}
HttpSession session = request.getSession();
switch (path) {
    case "/": out.print("hello"); break;
    case "/page": out.print("page " + session.getAttribute("user")); break;
    case "/cart": session.setAttribute("cart", request.getParameter("item")); out.print("ok"); break;
    case "/login":
        request.changeSessionId();
        session.setAttribute("user", request.getParameter("user"));
        response.sendRedirect(response.encodeRedirectURL("/page"));
        return;
    case "/logout":
        session.invalidate();
        response.sendRedirect("/");
        return;
    default: response.sendError(404); return;
}
out.print(" " + response.encodeURL("/page"));
%>
