<?php echo 'client 2 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
