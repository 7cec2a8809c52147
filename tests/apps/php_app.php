<?php
// PHP's own sessions: a new id at login by session_regenerate_id; logout destroys the session and deletes its cookie.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/asset.css') { header('Content-Type: text/css'); echo 'body {}'; return; }
session_start();
switch ($path) {
    case '/': $_SESSION['seen'] = ($_SESSION['seen'] ?? 0) + 1; echo 'hello'; break;
    case '/page': echo 'page ', $_SESSION['user'] ?? 'nobody'; break;
    case '/login': session_regenerate_id(true); $_SESSION['user'] = $_POST['user']; header('Location: /page', true, 302); break;
    case '/cart': $_SESSION['cart'][] = $_POST['item'] ?? 'x'; echo 'ok'; break;
    case '/logout':
        $_SESSION = [];
        setcookie(session_name(), '', time() - 42000, '/');
        session_destroy();
        header('Location: /', true, 302);
        break;
    default: http_response_code(404);
}
