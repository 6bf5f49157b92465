<?php
// As most applications do: whoever comes in clear is sent away.
if ($_SERVER['HTTP_X_FORWARDED_PROTO'] !== 'https') {
    header('Location: https://' . $_SERVER['HTTP_HOST'] . $_SERVER['REQUEST_URI'], true, 302);
    exit;
}
echo 'shop: ', $_SERVER['HTTP_X_REAL_IP'], "\n";
