<?php
// Laravel's sessions by its own libraries, as its middleware uses them: the id and the XSRF token are encrypted anew
// with each response, the id is a new one at login and logout.
foreach (['Session', 'Encryption', 'Cookie', 'Filesystem'] as $part) require_once "Illuminate/$part/autoload.php";

use Illuminate\Cookie\CookieValuePrefix;
use Illuminate\Encryption\Encrypter;
use Illuminate\Filesystem\Filesystem;
use Illuminate\Session\FileSessionHandler;
use Illuminate\Session\Store;

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
if ($path === '/asset.css') { header('Content-Type: text/css'); echo 'body {}'; return; }

$encrypter = new Encrypter(str_repeat('k', 32), 'AES-256-CBC');
$id = null;
try {
    $sealed = $_COOKIE['laravel_session'] ?? '';
    $id = $sealed === '' ? null : CookieValuePrefix::remove($encrypter->decrypt($sealed, false));
} catch (Illuminate\Contracts\Encryption\DecryptException) {
}
$session = new Store('laravel_session', new FileSessionHandler(new Filesystem, ini_get('session.save_path'), 120), $id);
$session->start();
switch ($path) {
    case '/': $session->increment('seen'); $text = 'hello'; break;
    case '/page': $text = 'page ' . $session->get('user', 'nobody'); break;
    case '/login': $session->regenerate(); $session->put('user', $_POST['user']); header('Location: /page', true, 302); break;
    case '/cart': $session->push('cart', $_POST['item'] ?? 'x'); $text = 'ok'; break;
    case '/logout': $session->invalidate(); $session->regenerateToken(); header('Location: /', true, 302); break;
    default: http_response_code(404);
}
$session->save();
foreach (['XSRF-TOKEN' => $session->token(), 'laravel_session' => $session->getId()] as $name => $value) {
    $value = CookieValuePrefix::create($name, $encrypter->getKey()) . $value;
    setcookie($name, $encrypter->encrypt($value, false), time() + 7200, '/');
}
echo $text ?? '';
