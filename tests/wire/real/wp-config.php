<?php
// A customer's WordPress: its database is in his home, its visitors come over TLS through Parvis. As Debian's own
// wp-config.php has it, who stands in front is believed about that.
define('DB_NAME', 'wordpress');
define('DB_USER', 'alice');
define('DB_PASSWORD', 'alice-of-the-database');
define('DB_HOST', 'localhost:' . getenv('HOME') . '/db.sock');
define('WP_HOME', 'https://a.test');
define('WP_SITEURL', 'https://a.test');
// It asks nobody on the network, itself included.
define('DISABLE_WP_CRON', true);
define('WP_HTTP_BLOCK_EXTERNAL', true);
$table_prefix = 'wp_';
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
