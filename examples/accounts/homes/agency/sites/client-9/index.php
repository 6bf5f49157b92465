<?php echo 'client 9 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
