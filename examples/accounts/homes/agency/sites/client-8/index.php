<?php echo 'client 8 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
